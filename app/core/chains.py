"""The chains that HOKUSAI_CHAIN names: their ids, and the contracts that signatures are for."""

from collections.abc import Mapping
from typing import Any

# By the names of the settings that they stand for. The addresses of Hokusai's contracts are those
# of its deployment on mainnet in July 2026, that of EAS is from https://docs.attest.org.
CHAINS: Mapping[str, Mapping[str, str]] = {
    "mainnet": {
        "chain_id": "1",
        "verifying_contract": "0xE9D40B96703391464bc6b0ea0b4F0404399AaCE7",
        "model_registry": "0x0a09B52fE6b55dE42676b3F68BED76793FB9FEe9",
        "eas_contract": "0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587",
        "eas_version": "0.26",
    }
}


def with_named_chain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those that follow from the name of the chain, if `chain` is one of `CHAINS`.

    values: by the names of settings, as the environment or a caller gives them. Raises ValueError
    where one of them is another than that of the named chain.
    """
    name = values.get("chain")
    known = CHAINS.get(name) if isinstance(name, str) else None
    if known is None:
        return dict(values)
    for setting, value in known.items():
        stated = values.get(setting)
        if stated is not None and str(stated).lower() != value.lower():
            raise ValueError(
                f"HOKUSAI_{setting.upper()} is {stated}, and HOKUSAI_CHAIN={name} means {value}: "
                "remove one of the two"
            )
    return {**values, **known}
