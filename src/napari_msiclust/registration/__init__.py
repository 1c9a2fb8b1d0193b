"""Ion images onto an optical image: landmarks, automatic start, transforms, resampling; numpy only.

Points and matrices are in (y, x) order and micrometres, with the origin at the centre of the first
pixel. A transform is a 3 x 3 matrix M with (y, x, 1) of the fixed image = M @ (y, x, 1) of the moving one.
"""
