"""``python -m lightning_quicktune``: the console command."""

from lightning_quicktune.cli.main import main

raise SystemExit(main())
