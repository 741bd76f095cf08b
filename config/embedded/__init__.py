"""PostgreSQL and Valkey of one machine: the programs in two wheels, run as ordinary processes of ours.

The wheels' own Python code is never imported: run as root, it was seen to chmod every parent of its data directory.
"""
