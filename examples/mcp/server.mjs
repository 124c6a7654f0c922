// An MCP server that knows nothing of logins: the gate before it does, and tells it who is calling. `node server.mjs [PORT]`.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createServer } from 'node:http';

const port = Number(process.argv[2] ?? 7001);

// Without sessions of its own, each request stands alone.
createServer(async (request, answer) => {
  if (request.method !== 'POST') return answer.writeHead(405, { allow: 'POST' }).end();
  const server = new McpServer({ name: 'example', version: '1.0.0' });
  server.registerTool('whoami', { description: 'Says who is calling' }, () => ({
    content: [{ type: 'text', text: `${request.headers['x-auth-subject']} (${request.headers['x-auth-roles']})` }],
  }));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  answer.on('close', () => transport.close());
  await server.connect(transport);
  await transport.handleRequest(request, answer);
}).listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));
