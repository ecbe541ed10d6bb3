/** Bedrock: Converse for every model, InvokeModel for those whose streams carry Anthropic's or Converse-shaped JSON. */
import { bedrock } from '../../../src/providers/bedrock.ts'
import type { Payload, Recorded, ReplayAdapter } from '../replay.ts'
import { readMessages } from './anthropic.ts'

interface Text {
  text?: string
}
interface Event {
  delta?: Text
  output?: { message?: { content?: Text[] } }
  stopReason?: string
  usage?: object
}

/** Nova's chunks hold one Converse event each, under its name. */
type Chunk = Record<string, Event | undefined>

function readConverse(payloads: { event: string; json: Event | undefined }[]): Recorded {
  const terminal = payloads.findIndex(({ json }) => json?.stopReason !== undefined)
  return {
    text: payloads
      .map(({ json }) => {
        const blocks = json?.output?.message?.content ?? []
        return (json?.delta?.text ?? '') + blocks.map(({ text }) => text ?? '').join('')
      })
      .join(''),
    finish: payloads[terminal]?.json?.stopReason,
    usage: payloads.some(({ json }) => json?.usage !== undefined),
    error: payloads.some(({ event }) => event.endsWith('Exception')),
    terminal: terminal >= 0 ? terminal : undefined,
  }
}

function read(payloads: Payload[]): Recorded {
  const inner = payloads.map((payload): Payload => {
    if (payload.event !== 'chunk') return payload
    const data = Buffer.from((payload.json as { bytes: string }).bytes, 'base64').toString('utf8')
    return { event: 'chunk', data, json: JSON.parse(data) as unknown }
  })
  if (
    inner.some(
      ({ event, json }) => event === 'chunk' && (json as Event & { type?: string }).type !== undefined,
    )
  ) {
    return readMessages(inner)
  }
  return readConverse(
    inner.map(({ event, json }) =>
      event === 'chunk'
        ? { event, json: Object.values(json as Chunk).find((value) => value !== undefined) }
        : { event, json: json as Event },
    ),
  )
}

export const adapters: ReplayAdapter[] = [
  {
    name: 'bedrock (converse)',
    matches: ({ url }) => /bedrock-runtime\..*\/(?:converse|converse-stream|count-tokens)(?:$|\?)/.test(url),
    provider: () => bedrock({ region: 'us-east-1' }),
    read,
  },
  {
    name: 'bedrock (invoke)',
    matches: ({ url }) => /bedrock-runtime\..*(?:anthropic|nova).*\/invoke/.test(url),
    provider: () => bedrock({ region: 'us-east-1', api: 'invoke' }),
    read,
  },
]
