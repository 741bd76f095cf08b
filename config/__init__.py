"""What every process is configured by: settings, the served schema, its publication, servers and supervision."""
