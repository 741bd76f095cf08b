"""Answer now, tell later: the redirects, the postback intake, the spool, and the agent that empties it."""
