import { azure } from '../../src/providers/azure.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'azure',
  provider: (url) => azure({ baseURL: url, apiVersion: '2024-10-21' }),
  model: 'my-deployment',
  reasoning: true,
})
