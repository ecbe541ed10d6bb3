import { cohere } from '../../src/providers/cohere.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'cohere',
  provider: (url) => cohere({ baseURL: url }),
  model: 'command-a-03-2025',
  reasoning: false,
})
