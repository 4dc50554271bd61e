"""Everything that runs on a machine one owns: store, server, executor, and the supervisor that keeps them up."""
