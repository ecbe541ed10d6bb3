/**
 * What a picture costs in tokens, for OpenAI's models: two published rules and the numbers each model puts in.
 *
 * In:  pixels and `detail`. Out: tokens. Not here: decoding pictures; sizes are read from the first bytes of PNG, GIF,
 * JPEG and WebP files, and everything else must be told.
 *
 * The prices of a picture change with the model, not with an API version; every row says where it is from. Exact counts:
 * OpenAI's `POST /v1/responses/input_tokens`, which `client.countTokens()` calls.
 */

import { LlmError } from '../errors.ts'
import type { ImagePart } from '../types.ts'

/** Width and height in pixels. */
export type ImageSize = { readonly width: number; readonly height: number }

/** Which model's rule, and how large pictures are whose bytes are not in the message (URLs, file ids). */
export type ImageCounting = {
  readonly model: string
  readonly size?: ImageSize | ((part: ImagePart) => ImageSize | undefined)
}

type ImageRule = {
  /** Model names that begin so; the longest match wins. */
  readonly models: readonly string[]
  /** `tiles`: `base` + `tile` for each 512-pixel square. `patches`: 32-pixel squares, at most 1,536, times `factor`. */
  readonly rule:
    | { readonly kind: 'tiles'; readonly base: number; readonly tile: number }
    | { readonly kind: 'patches'; readonly factor: number }
  readonly source: string
}

const DOCS = 'developers.openai.com/api/docs/guides/images-vision, read 2026-11'
const MEASURED = 'measured by users: community.openai.com t/1377015, openai-python#2851, read 2026-11'

/** Dated rows. Models that are in none, such as gpt-5 itself, have no number that was published or measured. */
export const IMAGE_RULES: readonly ImageRule[] = [
  {
    models: ['gpt-4o', 'gpt-4.1', 'gpt-4.5', 'gpt-4-turbo', 'gpt-4-vision', 'chatgpt-4o'],
    rule: { kind: 'tiles', base: 85, tile: 170 },
    source: DOCS,
  },
  { models: ['gpt-4o-mini'], rule: { kind: 'tiles', base: 2833, tile: 5667 }, source: DOCS },
  { models: ['o1', 'o3'], rule: { kind: 'tiles', base: 75, tile: 150 }, source: DOCS },
  { models: ['gpt-4.1-mini'], rule: { kind: 'patches', factor: 1.62 }, source: DOCS },
  { models: ['gpt-4.1-nano'], rule: { kind: 'patches', factor: 2.46 }, source: DOCS },
  { models: ['o4-mini'], rule: { kind: 'patches', factor: 1.72 }, source: DOCS },
  { models: ['gpt-5-mini'], rule: { kind: 'patches', factor: 1.2 }, source: MEASURED },
  { models: ['gpt-5-nano'], rule: { kind: 'patches', factor: 1.5 }, source: MEASURED },
  { models: ['gpt-5.2', 'gpt-5.3', 'gpt-5.4'], rule: { kind: 'patches', factor: 1.2 }, source: MEASURED },
]

/** The most patches a picture is cut into, and their side in pixels. */
const MOST_PATCHES = 1536
const PATCH = 32

/**
 * Tokens of one picture.
 * @throws LlmError kind `config` for a model without a known rule, or a size that is none
 */
export function countImageTokens(
  image: ImageSize & { readonly detail?: 'auto' | 'low' | 'high' },
  model: string,
): number {
  const { width, height } = image
  if (!(width > 0 && height > 0 && width < 1e6 && height < 1e6)) {
    throw new LlmError({
      kind: 'config',
      message: `A picture of ${width} × ${height} pixels cannot be counted.`,
    })
  }
  const name = model.slice(model.lastIndexOf('/') + 1)
  let found: ImageRule | undefined
  let matched = 0
  for (const row of IMAGE_RULES) {
    for (const prefix of row.models) {
      const whole = name === prefix || name.startsWith(`${prefix}-`)
      if (whole && prefix.length > matched) {
        found = row
        matched = prefix.length
      }
    }
  }
  if (found === undefined) {
    throw new LlmError({
      kind: 'config',
      message: `No rule is known for what pictures cost with ${model}. Ask the provider: client.countTokens().`,
    })
  }
  return found.rule.kind === 'tiles'
    ? tileTokens(width, height, image.detail, found.rule.base, found.rule.tile)
    : patchTokens(width, height, found.rule.factor)
}

/** Fit into 2048 × 2048, then the shorter side to 768, then count 512-pixel squares. */
function tileTokens(
  width: number,
  height: number,
  detail: ImagePart['detail'],
  base: number,
  tile: number,
): number {
  if (detail === 'low') return base
  const fit = Math.min(1, 2048 / Math.max(width, height))
  const shrink = fit * Math.min(1, 768 / (Math.min(width, height) * fit))
  // Rounded first: 768.0000000001 pixels are not two squares high.
  const across = Math.ceil(Math.round(width * shrink * 1000) / 1000 / 512)
  const down = Math.ceil(Math.round(height * shrink * 1000) / 1000 / 512)
  return base + tile * across * down
}

/** Count 32-pixel squares; shrink until there are at most 1,536, to a whole number of squares on one side. */
function patchTokens(width: number, height: number, factor: number): number {
  let patches = Math.ceil(width / PATCH) * Math.ceil(height / PATCH)
  if (patches > MOST_PATCHES) {
    const ratio = Math.sqrt((MOST_PATCHES * PATCH * PATCH) / (width * height))
    const across = (width * ratio) / PATCH
    const down = (height * ratio) / PATCH
    const shrink = ratio * Math.min(Math.floor(across) / across, Math.floor(down) / down)
    const squares = (side: number): number => Math.ceil(Math.round(side * shrink * 1000) / 1000 / PATCH)
    patches = Math.min(MOST_PATCHES, squares(width) * squares(height))
  }
  return Math.ceil(patches * factor)
}

/** Pixels of a PNG, GIF, JPEG or WebP file from its header; `undefined` for anything else. */
export function imageSize(bytes: Uint8Array): ImageSize | undefined {
  if (bytes.length < 30) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // PNG: the IHDR chunk stands at a fixed place.
  if (view.getUint32(0) === 0x89504e47) return { width: view.getUint32(16), height: view.getUint32(20) }
  // 'GIF8'
  if (view.getUint32(0) === 0x47494638)
    return { width: view.getUint16(6, true), height: view.getUint16(8, true) }
  // 'RIFF' … 'WEBP', then the kind of the first chunk.
  if (view.getUint32(0) === 0x52494646 && view.getUint32(8) === 0x57454250) {
    const chunk = view.getUint32(12)
    if (chunk === 0x56503858) {
      return {
        width: 1 + (view.getUint32(24, true) & 0xffffff),
        height: 1 + (view.getUint32(26, true) >>> 8),
      }
    }
    if (chunk === 0x5650384c) {
      const bits = view.getUint32(21, true)
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) }
    }
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff }
  }
  if (view.getUint16(0) !== 0xffd8) return undefined
  // JPEG: segments follow each other until a start of frame, which holds the size.
  for (let at = 2; at + 9 < bytes.length;) {
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes[at + 1]!
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (frame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) }
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2)
  }
  return undefined
}

/**
 * Tokens of an image part.
 * @throws LlmError kind `config` when its size is not in its bytes and was not told
 */
export function countImagePart(part: ImagePart, counting: ImageCounting): number {
  const told = typeof counting.size === 'function' ? counting.size(part) : counting.size
  const size = told ?? (part.data === undefined ? undefined : imageSize(headerOf(part.data)))
  if (size === undefined) {
    throw new LlmError({
      kind: 'config',
      message: 'The size of a picture given by URL or file id is unknown: pass images: { model, size }.',
    })
  }
  return countImageTokens(
    { ...size, ...(part.detail === undefined ? {} : { detail: part.detail }) },
    counting.model,
  )
}

/** Enough of a file to find its size: JPEG puts previews of up to 64 KB before it. */
const HEADER_BYTES = 196_608

function headerOf(data: string | Uint8Array): Uint8Array {
  if (typeof data !== 'string') return data
  try {
    const binary = atob(data.slice(0, (HEADER_BYTES / 3) * 4))
    return Uint8Array.from(binary, (unit) => unit.charCodeAt(0))
  } catch {
    return new Uint8Array(0)
  }
}
