import { bedrock } from '../../src/providers/bedrock.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'bedrock',
  provider: (url) => bedrock({ baseURL: url, region: 'us-east-1' }),
  model: 'anthropic.claude-sonnet-5-5',
  reasoning: true,
})
