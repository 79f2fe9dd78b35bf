"""Files that are made from the models and the names: CRD, manifests, reference docs."""
