import { openai } from '../../src/providers/openai.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'openai',
  provider: (url) => openai({ baseURL: `${url}/v1` }),
  // Asked for encrypted reasoning, aimock puts some in front of every answer; this model is not asked.
  model: 'gpt-4.1',
  reasoning: true,
})
