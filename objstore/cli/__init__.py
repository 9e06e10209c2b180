"""The `objstore` command: `server` runs one, `admin` talks to a running one, `bench` measures one."""
