"""One request to a service outside, by HTTP: webhooks, pushes, letters, who somebody is."""
