"""What a model's name stands for: recipe, search space and experience, all of them files that the package brings."""
