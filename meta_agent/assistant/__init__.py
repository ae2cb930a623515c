"""The deployed agent: behind an OpenAI-compatible server, an MCP server, in a repository, in a terminal."""
