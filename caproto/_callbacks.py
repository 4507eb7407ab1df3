"""Callbacks of subscriptions in the form they once had."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["adapt_old_callback_signature"]


def adapt_old_callback_signature(func: Callable[..., Any], weakref_set: set[weakref.ref[Any]]) -> Callable[..., Any]:
    """Return `func`, or a function of (sub, response) that calls it with the response alone.

    Parameters
    ----------
    func : callable
        Takes ``(sub, response)``, or only ``(response)`` as callbacks did at first.
    weakref_set : set
        Receives a weak reference to a `func` that was wrapped, until `func` is gone; the wrapper does not
        keep it alive.
    """
    import inspect

    try:
        signature = inspect.signature(func)
        signature.bind("sub", "response")
    except ValueError:  # some built-in functions do not tell what they take
        return func
    except TypeError:
        try:
            signature.bind("response")
        except TypeError:
            return func  # fits neither form; calling it will say so best
    else:
        return func

    def forget(gone: weakref.ref[Any]) -> None:
        weakref_set.discard(gone)

    bound = getattr(func, "__self__", None) is not None and hasattr(func, "__func__")
    reference: weakref.ref[Any] = weakref.WeakMethod(func, forget) if bound else weakref.ref(func, forget)
    weakref_set.add(reference)

    def with_subscription(sub: object, response: object) -> Any:
        alive = reference()
        return None if alive is None else alive(response)

    return with_subscription
