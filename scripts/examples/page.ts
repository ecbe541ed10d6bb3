/** The browser half of worker.ts: the same events, partial tool arguments and objects included, without a key. */

import { fromSSE } from 'llmswap/sse'

const form = document.querySelector('form')!
const output = document.querySelector('output')!
let controller: AbortController | undefined

form.addEventListener('submit', async (submit) => {
  submit.preventDefault()
  controller?.abort()
  controller = new AbortController()
  output.textContent = ''
  const response = await fetch(form.action, {
    method: 'POST',
    body: JSON.stringify({ prompt: new FormData(form).get('prompt') }),
    headers: { 'content-type': 'application/json' },
    signal: controller.signal,
  })
  try {
    for await (const event of fromSSE(response.body!)) {
      if (event.type === 'text-delta') output.append(event.text)
      if (event.type === 'finish') output.dataset['finished'] = event.finishReason
    }
  } catch (error) {
    output.append(` [${(error as Error).message}]`)
  }
})
