"""What the gateway asks of the chain, through the JSON-RPC API of an Ethereum node."""
