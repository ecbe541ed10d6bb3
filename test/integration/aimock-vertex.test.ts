import { vertex } from '../../src/providers/vertex.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'vertex',
  provider: (url) => vertex({ project: 'my-project', location: 'us-central1', baseURL: `${url}/v1` }),
  model: 'gemini-3.8-flash',
  reasoning: true,
})
