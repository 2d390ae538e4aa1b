"""A complete bot: `python -m foretoken.bot --help`.

It opens an account of its own or takes a key, registers its model, predicts every round, learns every
night from the newest dataset, and goes on where it was after any restart, its own or the server's.

`options` are its words, `folder` is its memory, `learner` its model, `nightly` its training,
`player` plays the rounds. Only `learner` needs numpy and polars: `pip install 'foretoken[bot]'`.
"""
