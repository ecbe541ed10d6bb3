/**
 * Pictures and documents before they go out: what they claim to be, and how they get there.
 *
 * In:  an image or file part. Out: bytes or an address a provider will take, or an error before anything is sent.
 * Nothing is fetched here or anywhere else in the library.
 */

import { LlmError } from '../errors.ts'
import type { FilePart, ImagePart } from '../types.ts'

/** A `data:` URL is bytes in disguise. */
export function fromDataUrl<P extends ImagePart | FilePart>(part: P): P {
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

/** The text in base64 data. @throws LlmError `invalid-request` when it is not base64. */
export function textOfBase64(data: string, provider: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)))
  } catch {
    throw notMedia(provider, 'a file whose data is not base64')
  }
}

/** The error for media that cannot be sent; `what` completes "… cannot be sent". */
export function notMedia(provider: string, what: string): LlmError {
  return new LlmError({
    kind: 'invalid-request',
    provider,
    phase: 'encode',
    message: `${provider} cannot be sent ${what}.`,
  })
}
