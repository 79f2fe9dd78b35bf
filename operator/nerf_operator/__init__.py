"""The operator: it brings the pods of each NeRFJob to what its spec asks for."""
