"""IOCs to learn from; ``python -m caproto.ioc_examples`` lists them."""
