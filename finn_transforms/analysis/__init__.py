"""Read-only facts about a graph: data types, constants, integer ranges, element-wise tails."""
