"""A witness of transparency logs (C2SP tlog-witness).

It cosigns a checkpoint of a log that it knows only if that extends every checkpoint that it has
cosigned before. Those who trust the witness know that the log has shown it one tree, and nobody
another one.
"""
