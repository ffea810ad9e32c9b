//! Subcommands of the `belvedere` program.
