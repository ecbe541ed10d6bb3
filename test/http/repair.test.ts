import { expect, test } from 'vitest'
import { overflowOf } from '../../src/http/repair.ts'

test.each([
  [
    "This model's maximum context length is 8192 tokens. However, you requested 10000 tokens (6000 in the messages, 4000 in the completion).",
    { limitTokens: 8192, actualTokens: 10_000 },
  ],
  ['prompt is too long: 210000 tokens > 200000 maximum', { limitTokens: 200_000, actualTokens: 210_000 }],
  [
    'input length and `max_tokens` exceed context limit: 199000 + 21000 > 200000, decrease input length',
    { limitTokens: 200_000, actualTokens: 220_000 },
  ],
  [
    'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).',
    { limitTokens: 1_048_576, actualTokens: 1_048_577 },
  ],
  ['gpt-4-0613 allows 1,024 tokens, you sent 2,048', { limitTokens: 1024, actualTokens: 2048 }],
  ['claude-3-20240229: too long, at most 4096 tokens', { limitTokens: 4096 }],
  ['too long', {}],
])('%s', (message, numbers) => expect(overflowOf(message)).toEqual(numbers))
