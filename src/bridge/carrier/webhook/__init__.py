"""What the carrier asks of the customer: voice webhooks, status callbacks, and the documents they answer."""
