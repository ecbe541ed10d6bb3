/**
 * Talking to a worker, or doing without one. In: the name of a worker's script. Out: the same messages either way: where
 * a page may not start workers, the same code runs in the page, between its frames.
 */

/** What a worker's code is: told a message, it answers as often as it likes; `waiting` gives others a turn. */
export type Job<Ask, Answer> = (
  ask: Ask,
  answer: (message: Answer) => void,
  control: Control,
) => Promise<void>

/** How a job learns that it shall pause or end. */
export interface Control {
  /** Resolves when the job may go on; rejects never. True: the job is over. */
  turn(): Promise<boolean>
}

/** A control whose `turn` lets timers and messages in. */
export function createControl(): Control & { paused: boolean; ended: boolean } {
  const control = {
    paused: false,
    ended: false,
    async turn(): Promise<boolean> {
      do await new Promise((resolve) => setTimeout(resolve, control.paused ? 50 : 0))
      while (control.paused && !control.ended)
      return control.ended
    },
  }
  return control
}

/** What every worker of these pages understands beside its own message. */
export type Command<Ask> = { readonly start: Ask } | { readonly paused: boolean }

/* oxlint-disable unicorn/require-post-message-target-origin -- a worker has no other origin; the rule means windows */

/** Serves a job inside a worker. */
export function serve<Ask, Answer>(job: Job<Ask, Answer>): void {
  const scope = globalThis as unknown as {
    postMessage(message: unknown): void
    addEventListener(type: 'message', listener: (event: MessageEvent<Command<Ask>>) => void): void
  }
  let current = createControl()
  scope.addEventListener('message', ({ data }) => {
    if ('paused' in data) {
      current.paused = data.paused
      return
    }
    current.ended = true
    current = createControl()
    run(job, data.start, (message) => scope.postMessage(message), current)
  })
}

function run<Ask, Answer>(
  job: Job<Ask, Answer>,
  ask: Ask,
  answer: (message: Answer | { error: string }) => void,
  control: Control,
): void {
  job(ask, answer, control).catch((error: unknown) =>
    answer({ error: error instanceof Error ? error.message : String(error) }),
  )
}

/** A running job, wherever it runs. */
export interface Running {
  pause(paused: boolean): void
  end(): void
  readonly inWorker: boolean
}

/** Starts a job in a worker of that script, or in the page when there are no workers. */
export function startJob<Ask, Answer>(
  script: string,
  fallback: () => Promise<Job<Ask, Answer>>,
  ask: Ask,
  onAnswer: (answer: Answer | { error: string }) => void,
): Running {
  try {
    const worker = new Worker(new URL(script, document.baseURI), { type: 'module' })
    worker.addEventListener('message', ({ data }: MessageEvent<Answer | { error: string }>) => onAnswer(data))
    worker.addEventListener('error', () => onAnswer({ error: 'the worker stopped' }))
    worker.postMessage({ start: ask } satisfies Command<Ask>)
    return {
      inWorker: true,
      pause: (paused) => worker.postMessage({ paused } satisfies Command<Ask>),
      end: () => worker.terminate(),
    }
  } catch {
    const control = createControl()
    fallback()
      .then((job) => run(job, ask, onAnswer, control))
      .catch((error: unknown) => onAnswer({ error: String(error) }))
    return {
      inWorker: false,
      pause: (paused) => {
        control.paused = paused
      },
      end: () => {
        control.ended = true
      },
    }
  }
}
