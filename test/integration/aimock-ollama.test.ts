import { ollama } from '../../src/providers/ollama.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'ollama',
  provider: (url) => ollama({ baseURL: url }),
  model: 'llama3',
  reasoning: true,
})
