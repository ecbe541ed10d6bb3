import { gemini } from '../../src/providers/gemini.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'gemini',
  provider: (url) => gemini({ baseURL: `${url}/v1beta` }),
  model: 'gemini-3.8-flash',
  reasoning: true,
})
