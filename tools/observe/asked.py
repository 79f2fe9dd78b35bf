"""What an expression asks for, by a parser of PromQL."""

import promql_parser


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """The vector selectors in it. Raises ValueError where it is no PromQL."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return found
