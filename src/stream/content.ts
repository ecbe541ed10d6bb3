/** Which events are the answer itself, and which only speak about it. */

import type { StreamEvent } from '../types.ts'

/** True for events that carry some of the answer: once one was delivered, the request cannot be made again unnoticed. */
export function isContent(event: StreamEvent): boolean {
  return event.type !== 'start' && event.type !== 'warning' && event.type !== 'restart'
}
