#!/usr/bin/env node
// A server in a few lines of JavaScript, of the legacy era: one tool, which tells how the server was started.
const lines = require("node:readline").createInterface({ input: process.stdin });

const results = {
  initialize: () => ({
    protocolVersion: "2025-06-18",
    capabilities: { tools: {} },
    serverInfo: { name: "tiny", version: "1.0.0" },
  }),
  "tools/list": () => ({ tools: [{ name: "arguments", inputSchema: { type: "object" } }] }),
  "tools/call": () => ({ content: [{ type: "text", text: JSON.stringify(process.argv.slice(2)) }] }),
};

lines.on("line", (line) => {
  const { id, method } = JSON.parse(line);
  if (id === undefined) return;
  const found = results[method];
  const answer = found ? { result: found() } : { error: { code: -32601, message: `no method ${method}` } };
  console.log(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
});
