"""A simulation of the deployed system under a rush: `make spike`.

How long signers wait, how long the queue gets, how many instances start and what it costs, from four things: the
sizes in infra/, the CPU time of each request as `make bench` measured it, what Google documents of its platform,
and assumptions about people. The last two stand in `facts.py`, each with its source.

It is a model. `validation.py` compares it with a load run of the real functions on the machine at hand; nobody has
yet compared it with Google's.
"""
