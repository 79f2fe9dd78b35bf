"""The export stage: what `spec.outputs` asks for, made of the newest checkpoint."""
