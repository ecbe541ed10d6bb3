import { anthropic } from '../../src/providers/anthropic.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'anthropic',
  provider: (url) => anthropic({ baseURL: url }),
  model: 'claude-sonnet-5-5',
  reasoning: true,
})
