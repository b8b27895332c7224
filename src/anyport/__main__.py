"""`python -m anyport` is the `anyport` command."""

from anyport.cli.main import main

raise SystemExit(main())
