/**
 * Pictures and documents before they go out: what they claim to be, and how they get there.
 *
 * In:  an image or file part. Out: bytes or an address a provider will take, or an error before anything is sent.
 * Nothing is fetched here or anywhere else in the library.
 */

import type { LlmError } from '../errors.ts'
import type { AudioPart, FilePart, ImagePart } from '../types.ts'
import { base64Of, stringIn } from './body.ts'
import { fault } from './notes.ts'

/** A `data:` URL is bytes in disguise. */
export function fromDataUrl<P extends ImagePart | FilePart | AudioPart>(part: P): P {
  const match = part.url === undefined ? null : /^data:([^;,]*)(?:;[^,]*)?;base64,/i.exec(part.url)
  if (match === null || part.url === undefined) return part
  const { url, ...rest } = part
  return {
    ...rest,
    mediaType: match[1] || part.mediaType || '',
    data: url.slice(match[0].length),
  } as unknown as P
}

/** @throws LlmError `invalid-request` for addresses that no provider fetches. */
export function httpUrl(url: string, provider: string): string {
  if (/^https?:\/\//i.test(url)) return url
  throw notMedia(provider, 'an address that is neither http(s) nor base64 data')
}

/** Base64 of UTF-8 as text. */
export function bytesAsText(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)))
}

/** The text in base64 data. @throws LlmError `invalid-request` when it is not base64. */
export function textOfBase64(data: string, provider: string): string {
  try {
    return bytesAsText(data)
  } catch {
    throw notMedia(provider, 'a file whose data is not base64')
  }
}

/** The error for media that cannot be sent; `what` completes "… cannot be sent". */
export function notMedia(provider: string, what: string): LlmError {
  return fault('invalid-request', provider, 'encode', `${provider} cannot be sent ${what}.`)
}

/**
 * A picture as a URL, its own bytes among them; undefined where only its id at some provider is known.
 * @throws LlmError `invalid-request` when it is no picture, or no address a provider fetches.
 */
export function imageUrl(part: ImagePart, provider: string): string | undefined {
  const { url, data, mediaType } = fromDataUrl(part)
  if (mediaType !== undefined && !/^image\//i.test(mediaType)) {
    throw notMedia(provider, `an image of type ${mediaType}: send it as a file, or correct the type`)
  }
  return data === undefined ? url && httpUrl(url, provider) : dataUrl(data, mediaType)
}

/** Bytes as a URL. */
export function dataUrl(data: string | Uint8Array, mediaType: string): string {
  return `data:${mediaType};base64,${base64Of(data)}`
}

/** OpenAI's APIs want a format, not a media type. Everything else is passed on by its subtype, for servers that take more. */
const AUDIO_FORMATS: Readonly<Record<string, string>> = { mpeg: 'mp3', wave: 'wav' }

/** @throws LlmError `invalid-request` when it is no sound. */
export function audioFormat({ mediaType = '' }: AudioPart, provider: string): string {
  const subtype = /^audio\/(?:x-)?([\w.+-]+)/i.exec(mediaType)?.[1]?.toLowerCase()
  if (subtype === undefined) throw notMedia(provider, `audio of type ${mediaType}`)
  return stringIn(AUDIO_FORMATS, subtype) ?? subtype
}
