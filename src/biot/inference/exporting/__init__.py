"""A model as an ONNX file: its graph, what the file says of itself, and a smaller form in int8."""

__all__: list[str] = []
