"""Commands about a spec: init, validate, plan, components and schema."""
