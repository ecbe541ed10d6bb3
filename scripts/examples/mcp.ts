/**
 * Tools of an MCP server, through the official client: their shape is this library's shape, so they pass straight in.
 * `npm i @modelcontextprotocol/sdk` beside this file, then `OPENAI_API_KEY=… npx tsx mcp.ts node your-server.js`
 */

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { Tool } from 'llmswap'
import { runTools } from 'llmswap/tools'

const [command = 'node', ...args] = process.argv.slice(2)
const mcp = new Client({ name: 'llmswap-example', version: '1.0.0' })
await mcp.connect(new StdioClientTransport({ command, args }))

const { tools: offered } = await mcp.listTools()
const tools = offered.map(({ name, description = '', inputSchema }): Tool<Record<string, unknown>> => ({
  name,
  description,
  inputSchema,
  async execute(input) {
    const { content, isError } = await mcp.callTool({ name, arguments: input })
    const text = (content as { type: string; text?: string }[])
      .map((part) => part.text ?? `[${part.type}]`)
      .join('\n')
    if (isError === true) throw new Error(text)
    return text
  },
}))

const run = runTools('What is the answer of the server to 2 and 40? Use its tools.', {
  tools,
  maxSteps: 5,
  model: 'openai/gpt-6-luna',
})
console.log((await run.completion).text)
await mcp.close()
