"""The program beside a Docker engine: it watches containers, carries out commands and never serves HTTP."""
