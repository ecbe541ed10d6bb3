/**
 * Where Vertex AI stands, and how one gets in: the addresses and the credential that all its codecs share.
 *
 * In:  project, location, key. Out: URLs of publishers' models, and `authorize`.
 * Everything that becomes part of a URL is checked: a region from a form must not send a token to another host.
 * Spec: https://cloud.google.com/vertex-ai/docs/general/locations
 */

import type { Provider } from '../provider.ts'
import { endpoint, hostPart, pathSegment } from './body.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { fault } from './notes.ts'

/** Where in Google Cloud to ask, and as whom. */
export interface VertexOptions {
  /** Project id or number. Without it: express mode, Gemini only. */
  project?: string
  /** A region such as `europe-west4`, a multi-region `us` or `eu`, or `global`. Default `global`. */
  location?: string
  /** An access token, or a function that fetches one; an API key in express mode. Called once per attempt. */
  apiKey?: ApiKey
  /** Default: the API's host for the location. Everything before `/projects/…`, the version included. */
  baseURL?: string
  /** Extra headers, lower-case names. */
  headers?: Record<string, string>
}

/** The codec's name. */
export const VERTEX = 'vertex'

/**
 * The URL of a verb of a publisher's model.
 * @throws LlmError `config` when project or location cannot stand in a URL.
 */
export function vertexUrl(
  options: VertexOptions,
): (publisher: string, model: string, verb: string) => string {
  const { project, location = 'global' } = options
  const base = options.baseURL ?? `https://${hostOf(hostPart(location, 'location', VERTEX))}/v1`
  const scope = project === undefined ? '' : `projects/${checked(project)}/locations/${location}/`
  return (publisher, model, verb) =>
    endpoint(base, `${scope}publishers/${publisher}/models/${modelSegment(model)}:${verb}`, VERTEX)
}

/** A token with a project, an API key without one. */
export function vertexAuthorize({ project, apiKey }: VertexOptions): Provider['authorize'] {
  return keyAuthorize({
    provider: VERTEX,
    apiKey,
    keyNames: [],
    ...(project === undefined
      ? { header: 'x-goog-api-key' }
      : { header: 'authorization', prefix: 'Bearer ' }),
  })
}

/** `us` and `eu` are served from hosts of their own. https://cloud.google.com/vertex-ai/docs/general/locations (2026-11) */
function hostOf(location: string): string {
  if (location === 'global') return 'aiplatform.googleapis.com'
  if (location === 'us' || location === 'eu') return `aiplatform.${location}.rep.googleapis.com`
  return `${location}-aiplatform.googleapis.com`
}

/** Project ids, numbers, and ids scoped to a domain (`example.com:my-project`). */
function checked(project: string): string {
  if (/^[a-z0-9][\w.:-]*$/i.test(project)) return project
  throw fault(
    'config',
    VERTEX,
    'encode',
    `The project given to ${VERTEX} is no project id: use letters, digits and hyphens.`,
  )
}

/** Versions of Claude stand behind an `@`, which Google's own clients leave as it is. */
function modelSegment(model: string): string {
  return pathSegment(model).replaceAll('%40', '@')
}
