"""The municipality's migrations, in order; each only adds."""
