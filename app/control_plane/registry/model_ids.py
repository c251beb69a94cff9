"""The ids of models, and what is said of one that no model has."""

from app.core.errors import NotFoundError

PREFIX = "hkm_"
_LONGEST_SHOWN = 80
# The last parts of paths to which a registration is sent.
_REGISTERED_BY = ("baseline", "improved", "tokenized", "tokenized-registration-events")


def no_model(model_id: str) -> NotFoundError:
    """The error for an id that no model has, or none that the caller may see.

    It says what is wrong with a name in place of an id, and with a GET in place of a registration.
    """
    if model_id.startswith(PREFIX):
        return NotFoundError(f"There is no model {model_id[:_LONGEST_SHOWN]!r}.")
    if model_id in _REGISTERED_BY:
        return NotFoundError(
            f"/api/models/{model_id} registers a model, with a POST. GET needs the id of a model, "
            f"which begins with {PREFIX}."
        )
    return NotFoundError(
        f"There is no model with the id {model_id[:_LONGEST_SHOWN]!r}: ids of models begin with "
        f"{PREFIX}. /api/models?name= lists the registered versions of a model by its name in "
        "MLflow."
    )
