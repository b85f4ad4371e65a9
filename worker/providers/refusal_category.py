"""Why a provider's filter refused an answer, in the provider's own word."""


def filtered_category(results: object) -> str | None:
    """Returns the category that filtered an answer; None where none did.

    From the `content_filter_results` of Azure OpenAI (its documentation, "Content filtering"): by category, whether it
    was `filtered`. Its Responses have a list of such objects, `content_filters`.
    """
    if isinstance(results, list):
        found = (filtered_category(one.get("content_filter_results")) for one in results if isinstance(one, dict))
        return next((category for category in found if category is not None), None)
    if not isinstance(results, dict):
        return None
    return next(
        (
            category
            for category, result in results.items()
            if isinstance(result, dict) and result.get("filtered") is True and isinstance(category, str)
        ),
        None,
    )


def blocking_category(ratings: object) -> str | None:
    """Returns the category of the rating that blocked an answer (Gemini's API reference: `SafetyRating`)."""
    for rating in ratings if isinstance(ratings, list) else ():
        if isinstance(rating, dict) and rating.get("blocked") is True and isinstance(rating.get("category"), str):
            return str(rating["category"])
    return None
