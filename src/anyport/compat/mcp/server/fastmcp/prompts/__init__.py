"""Prompts of ``mcp.server.fastmcp``: ``from anyport.compat.mcp.server.fastmcp.prompts import base``."""
