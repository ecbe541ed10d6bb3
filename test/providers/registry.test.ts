import { afterEach, describe, expect, it, vi } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import type { Request } from '../../src/types.ts'
import {
  providerNames,
  resolveEmbedding,
  resolveProvider,
  type ProviderChoice,
} from '../../src/providers/registry.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
})

/** Where a choice leads, with an environment that holds nothing else. */
function resolve(choice: ProviderChoice): string {
  const { provider, model } = resolveProvider({ env: {}, ...choice })
  return `${provider.name} ${model}`
}

function failure(run: () => unknown): LlmError {
  try {
    run()
  } catch (error) {
    if (LlmError.is(error)) return error
    throw error
  }
  throw new Error('did not throw')
}

/** No key of the machine that runs the tests may reach them. */
function clearKeys(): void {
  for (const name of Object.keys(process.env)) if (/_KEY$|TOKEN$/.test(name)) vi.stubEnv(name, '')
}

async function sentKey(choice: ProviderChoice): Promise<string | undefined> {
  const { provider } = resolveProvider(choice)
  const http = provider.encode({
    model: 'm',
    messages: [{ role: 'user', content: 'x' }],
    stream: true,
  } as Request)
  const signed = await provider.authorize(http, {
    nowMs: 0,
    signal: new AbortController().signal,
    transport: { send: () => Promise.reject(new Error('unused')) },
  })
  return signed.headers['authorization'] ?? signed.headers['x-api-key'] ?? signed.headers['x-goog-api-key']
}

describe('model strings', () => {
  it.each([
    ['anthropic/claude-sonnet-5-5', 'anthropic claude-sonnet-5-5'],
    ['groq/openai/gpt-oss-120b', 'groq openai/gpt-oss-120b'],
    ['openrouter/anthropic/claude-haiku-4.5', 'openrouter anthropic/claude-haiku-4.5'],
    ['openai/gpt-oss-120b', 'openai gpt-oss-120b'],
    ['ollama/llama3.2:1b', 'ollama llama3.2:1b'],
    ['fireworks/accounts/fireworks/models/x', 'fireworks accounts/fireworks/models/x'],
    ['gpt-6.1-terra', 'openai gpt-6.1-terra'],
    ['o3', 'openai o3'],
    ['o4-mini', 'openai o4-mini'],
    ['ft:gpt-4o-mini:org::id', 'openai ft:gpt-4o-mini:org::id'],
    ['claude-haiku-5-5', 'anthropic claude-haiku-5-5'],
    ['gemini-3.8-flash', 'gemini gemini-3.8-flash'],
    ['grok-4.7', 'xai grok-4.7'],
    ['mistral-large-4', 'mistral mistral-large-4'],
    ['codestral-2508', 'mistral codestral-2508'],
    ['deepseek-flash', 'deepseek deepseek-flash'],
    ['deepseek-v4-pro', 'deepseek deepseek-v4-pro'],
    ['kimi-k3.1-pro', 'moonshot kimi-k3.1-pro'],
    ['glm-5.3', 'zai glm-5.3'],
    ['MiniMax-M3', 'minimax MiniMax-M3'],
    ['qwen3.8-max', 'alibaba qwen3.8-max'],
    ['sonar-pro', 'perplexity sonar-pro'],
    ['sarvam-105b', 'sarvam sarvam-105b'],
    ['command-a-plus-05-2026', 'cohere command-a-plus-05-2026'],
    ['bedrock/us.anthropic.claude-opus-5-5', 'bedrock us.anthropic.claude-opus-5-5'],
  ])('%s', (model, expected) => {
    expect(resolve({ model })).toBe(expected)
    expect(resolve({ provider: 'auto', model })).toBe(expected)
  })

  it('an explicit provider leaves the model alone, whatever it looks like', () => {
    expect(resolve({ provider: 'groq', model: 'openai/gpt-oss-120b' })).toBe('groq openai/gpt-oss-120b')
    expect(resolve({ provider: 'openrouter', model: 'anthropic/claude-x' })).toBe(
      'openrouter anthropic/claude-x',
    )
    expect(resolve({ provider: 'vllm', model: '../etc?x#y' })).toBe('vllm ../etc?x#y')
  })

  it.each([
    'llama3.2',
    'gpt-oss-120b',
    'qwen3:8b',
    'my-finetune',
    'meta-llama/Llama-4',
    'nosuch/gpt-4',
    '/x',
    'openai/',
    '',
    '__proto__',
    '__proto__/x',
    'constructor/x',
  ])('"%s" belongs to nobody, even when a key is there', (model) => {
    const error = failure(() => resolveProvider({ model, env: { OPENAI_API_KEY: 'k' } }))
    expect(error.kind).toBe('config')
    expect(error.message).toContain('provider')
  })
})

describe('auto', () => {
  it('takes the first key in the documented order', () => {
    clearKeys()
    expect(resolve({ env: { GROQ_API_KEY: 'g', ANTHROPIC_API_KEY: 'a' } })).toBe(
      'anthropic claude-sonnet-5-5',
    )
    expect(resolve({ env: { GROQ_API_KEY: 'g' } })).toBe('groq openai/gpt-oss-120b')
    expect(resolve({ env: { GOOGLE_API_KEY: 'g' } })).toBe('gemini gemini-3.8-flash')
  })

  it('asks env before process.env, and process.env before giving up', () => {
    clearKeys()
    vi.stubEnv('MISTRAL_API_KEY', 'm')
    expect(resolve({})).toBe('mistral mistral-large-4')
    expect(resolve({ env: { XAI_API_KEY: 'x' } })).toBe('xai grok-4.7')
  })

  it('sends the key it found', async () => {
    clearKeys()
    expect(await sentKey({ env: { GROQ_API_KEY: ' gk ' } })).toBe('Bearer gk')
    expect(await sentKey({ env: { ANTHROPIC_API_KEY: 'ak' } })).toBe('ak')
    expect(await sentKey({ env: { GEMINI_API_KEY: 'mk' } })).toBe('mk')
    expect(await sentKey({ provider: 'zai', env: { ZHIPU_API_KEY: 'zk' } })).toBe('Bearer zk')
    expect(await sentKey({ provider: 'groq', apiKey: 'own', env: { GROQ_API_KEY: 'gk' } })).toBe('Bearer own')
  })

  it('without any key lists every variable', () => {
    clearKeys()
    const error = failure(() => resolveProvider({ env: {} }))
    expect(error.kind).toBe('config')
    for (const name of [
      'OPENAI_API_KEY',
      'ANTHROPIC_API_KEY',
      'GEMINI_API_KEY',
      'GROQ_API_KEY',
      'HF_TOKEN',
    ]) {
      expect(error.message).toContain(name)
    }
  })

  it('blank and non-string variables are not set', () => {
    clearKeys()
    expect(failure(() => resolveProvider({ env: { OPENAI_API_KEY: '  ', GROQ_API_KEY: 5 } })).kind).toBe(
      'config',
    )
  })

  it.each([{ apiKey: 'sk-secret' }, { baseURL: 'https://x.example/v1' }])(
    '%j without an owner is refused',
    (choice) => {
      const error = failure(() => resolveProvider({ ...choice, env: { OPENAI_API_KEY: 'k' } }))
      expect(error.kind).toBe('config')
      expect(error.message).not.toContain('sk-secret')
    },
  )

  it('in Deno reads only what is already permitted, and never process.env', () => {
    const asked: string[] = []
    const read: string[] = []
    vi.stubGlobal('Deno', {
      permissions: {
        querySync: ({ variable }: { variable: string }) => {
          asked.push(variable)
          return { state: variable === 'GROQ_API_KEY' ? 'granted' : 'prompt' }
        },
      },
      env: {
        get: (name: string) => {
          read.push(name)
          return 'key'
        },
      },
    })
    vi.stubEnv('OPENAI_API_KEY', 'would-prompt')
    expect(resolve({})).toBe('groq openai/gpt-oss-120b')
    expect(asked).toContain('OPENAI_API_KEY')
    expect(new Set(read)).toEqual(new Set(['GROQ_API_KEY']))
  })

  it('works where there is no process at all', () => {
    vi.stubGlobal('process', undefined)
    expect(failure(() => resolveProvider({})).kind).toBe('config')
  })
})

describe('rows', () => {
  it.each(providerNames())('%s makes a codec of its name', (name) => {
    const env = { AZURE_RESOURCE_NAME: 'res', WATSONX_PROJECT_ID: 'p' }
    const { provider, model } = resolveProvider({ provider: name, model: 'm', env })
    expect(provider.name).toBe(name)
    expect(model).toBe('m')
  })

  it('an unknown provider names the known ones', () => {
    const error = failure(() => resolveProvider({ provider: 'opnai', env: {} }))
    expect(error.kind).toBe('config')
    expect(error.message).toContain('openai-chat')
    expect(failure(() => resolveProvider({ provider: '__proto__' })).kind).toBe('config')
  })

  it('a server that alone knows its model asks for one', () => {
    const error = failure(() => resolveProvider({ provider: 'vllm', env: {} }))
    expect(error.kind).toBe('config')
    expect(error.message).toContain('vllm')
  })

  it('a codec of one’s own passes through', () => {
    const { provider } = resolveProvider({ provider: 'groq', env: {} })
    expect(resolveProvider({ provider, model: 'x' })).toEqual({ provider, model: 'x' })
    expect(resolveProvider({ provider }).model).toBe('openai/gpt-oss-120b')
  })

  it('openai-chat at another address gets a key only when one is passed', async () => {
    const elsewhere = {
      provider: 'openai-chat',
      baseURL: 'http://localhost:1/v1',
      env: { OPENAI_API_KEY: 'k' },
    }
    expect(await sentKey(elsewhere)).toBeUndefined()
    expect(await sentKey({ ...elsewhere, apiKey: 'passed' })).toBe('Bearer passed')
    expect(await sentKey({ provider: 'openai-chat', env: { OPENAI_API_KEY: 'k' } })).toBe('Bearer k')
  })

  it('a missing key is an error that names the variable, before any byte is sent', async () => {
    clearKeys()
    await expect(sentKey({ provider: 'groq', env: {} })).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('GROQ_API_KEY') as string,
    })
  })
})

describe('clouds', () => {
  const url = (choice: ProviderChoice): string =>
    resolveProvider({ model: 'm', ...choice }).provider.encode({
      model: 'm',
      messages: [{ role: 'user', content: 'x' }],
      stream: true,
    } as Request).url

  it('find their region, project or resource beside the key', () => {
    clearKeys()
    const env = {
      AWS_REGION: 'eu-central-1',
      GOOGLE_CLOUD_PROJECT: 'proj',
      GOOGLE_CLOUD_LOCATION: 'europe-west4',
      AZURE_OPENAI_ENDPOINT: 'https://res.openai.azure.com/',
      WATSONX_AI_PROJECT_ID: 'p',
      WATSONX_REGION: 'eu-de',
    }
    expect(url({ provider: 'bedrock', env })).toMatch(
      /^https:\/\/bedrock-runtime\.eu-central-1\.amazonaws\.com\//,
    )
    expect(url({ provider: 'vertex', env })).toMatch(
      /^https:\/\/europe-west4-aiplatform\.googleapis\.com\/v1\/projects\/proj\/locations\/europe-west4\//,
    )
    expect(url({ provider: 'azure', env })).toMatch(/^https:\/\/res\.openai\.azure\.com\/openai\/v1\//)
    expect(url({ provider: 'azure', env: { AZURE_RESOURCE_NAME: 'mine' } })).toMatch(
      /^https:\/\/mine\.openai\.azure\.com\//,
    )
    expect(url({ provider: 'watsonx', env })).toMatch(/^https:\/\/eu-de\.ml\.cloud\.ibm\.com\//)
  })

  it('Bedrock signs with the key pair of the environment', async () => {
    clearKeys()
    const env = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' }
    expect(await sentKey({ provider: 'bedrock', model: 'm', env })).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\//,
    )
    const bearer = { ...env, AWS_BEARER_TOKEN_BEDROCK: 'token' }
    expect(await sentKey({ provider: 'bedrock', model: 'm', env: bearer })).toBe('Bearer token')
  })

  it('say what is missing', () => {
    clearKeys()
    for (const provider of ['azure', 'watsonx', 'bedrock']) {
      expect(failure(() => url({ provider, env: {} }))).toMatchObject({ kind: 'config', provider })
    }
  })

  it('are never chosen by auto: their keys are set for other reasons too', () => {
    clearKeys()
    const env = {
      AWS_BEARER_TOKEN_BEDROCK: 'k',
      AZURE_API_KEY: 'k',
      VERTEX_API_KEY: 'k',
      GITHUB_TOKEN: 'k',
      OLLAMA_API_KEY: 'k',
    }
    expect(failure(() => resolveProvider({ env })).kind).toBe('config')
  })
})

describe('embeddings', () => {
  it('resolve by the same rules', () => {
    clearKeys()
    const { provider, model } = resolveEmbedding({ env: { OPENAI_API_KEY: 'k' } })
    expect([provider.name, model]).toEqual(['openai', 'text-embedding-3-small'])
    expect(resolveEmbedding({ model: 'mistral/mistral-embed', env: {} }).provider.name).toBe('mistral')
    expect(resolveEmbedding({ model: 'text-embedding-3-large', env: {} }).model).toBe(
      'text-embedding-3-large',
    )
    expect(failure(() => resolveEmbedding({ provider: 'anthropic', model: 'm', env: {} })).kind).toBe(
      'unsupported',
    )
  })
})
