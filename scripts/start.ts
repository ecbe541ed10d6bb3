/**
 * `npm start -- "a prompt"`: the whole pipeline, seen working. In: a prompt on the command line. Out: the answer as it
 * streams in, then one line of facts. With a provider's key in the environment it asks that provider; without one it
 * starts the embedded model (serve-tiny.ts) on loopback and talks to it over real HTTP, like to any provider.
 */
import { LlmError, stream } from '../src/index.ts'
import type { Options } from '../src/types.ts'
import { serveTiny } from './serve-tiny.ts'

const prompt = process.argv.slice(2).join(' ').trim() || 'Once upon a time'

/** Streams one answer to the terminal. Nothing has been printed yet when it throws kind `config`. */
async function answer(options: Options): Promise<string> {
  const run = stream(prompt, options)
  process.stdout.write(options.baseURL === undefined ? '' : prompt)
  for await (const text of run.text) process.stdout.write(text)
  const { provider, model, timing, usage, warnings } = await run.completion
  for (const { message } of warnings) process.stderr.write(`\nWarning: ${message}`)
  const facts = [
    `${provider} ${model}`,
    timing.firstTokenMs === undefined ? undefined : `first token ${Math.round(timing.firstTokenMs)} ms`,
    timing.tokensPerSecond === undefined ? undefined : `${Math.round(timing.tokensPerSecond)} tokens/s`,
    `${usage.inputTokens ?? '?'} tokens in, ${usage.outputTokens ?? '?'} out`,
  ]
  return facts.filter((fact) => fact !== undefined).join(' · ')
}

/** The key variables a `config` error names, when none of them is set: then there is nobody to ask. */
function missingKeys(error: unknown): string[] {
  if (!LlmError.is(error) || error.kind !== 'config') return []
  const names = error.message.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g) ?? []
  return names.some((name) => process.env[name] !== undefined) ? [] : names
}

async function main(): Promise<void> {
  try {
    console.log(`\n[${await answer({ provider: 'auto' })}]`)
  } catch (error) {
    const names = missingKeys(error)
    if (names.length === 0) throw error
    const server = await serveTiny()
    try {
      const facts = await answer({
        provider: 'openai-chat',
        baseURL: server.url,
        apiKey: 'local',
        model: 'tiny',
        // The small model spells better when it is sober; a tale may take three times as long to end by itself.
        temperature: 0.5,
        maxTokens: 500,
      })
      const keys = names.filter((name) => name.endsWith('_KEY')).slice(0, 3)
      console.log(
        `\n[${facts} · trained by this repository; set ${keys.join(', ')} … to talk to a big model]`,
      )
    } finally {
      await server.close()
    }
  }
}

main().catch((error: unknown) => {
  console.error(LlmError.is(error) ? `${error.kind}: ${error.message}` : error)
  process.exitCode = 1
})
